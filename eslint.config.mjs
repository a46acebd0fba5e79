import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/vendor/**"] },
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "max-lines-per-function": ["error", 50],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["**/worklet.js", "**/tape.js", "**/stretch.js", "**/engine/echo.js", "**/engine/live/processor.js", "**/engine/live/ear.js", "**/engine/live/relay.js"], languageOptions: { globals: globals.audioWorklet } },
];

from __future__ import annotations

from stemlab.labs import live


def test_the_table_follows_the_account() -> None:
    ear = live()
    assert "Press Start" in ear.table.value
    ear.player.account = {"block": 0.0087, "input device": None, "total": 0.084, "compute": 0.0012}
    assert "block</th><td>8.7</td>" in ear.table.value
    assert "input device</th><td>unknown</td>" in ear.table.value
    assert "gaps</th><td>0</td>" in ear.table.value
    ear.close()

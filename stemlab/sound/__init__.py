"""Files and samples: decoding, writing, tags, stem files, queues of samples."""

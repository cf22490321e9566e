"""UCF101 and HMDB51: clips of human actions as videos or folders of frames."""

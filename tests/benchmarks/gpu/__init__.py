"""What a GPU shows of populations, in one command that needs torch, numpy and scipy alone."""

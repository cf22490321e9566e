"""Deep mutual learning: peers that teach each other."""

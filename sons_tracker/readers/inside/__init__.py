"""What runs in the process apart, and nowhere else: the readers of the formats, and what confines them."""

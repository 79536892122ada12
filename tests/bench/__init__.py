"""How close to the machine's own limit? Ratios against bare work beside ours, in one run: `make bench`."""

"""Networks: encoders of clips by name, and the hashing network that puts codes and classes on top of one."""

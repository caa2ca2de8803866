"""Files as bytes on a disk become arrays: each format bounded, checked, and without pickle."""

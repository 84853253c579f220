"""Images that people know, read from the files of their publishers. Nothing is downloaded."""

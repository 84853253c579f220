"""`seek`: where a planted ticket can be found exactly, and where only one as good."""

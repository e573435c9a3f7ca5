"""`galaxyloop doctor`: checks of every part that the loop needs, each with a remedy if it fails."""

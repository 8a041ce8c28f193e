"""Rules of `segdata agreement`: what annotators do differently."""

"""Rules of `segdata flag`: labels that models contradict."""

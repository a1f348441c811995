"""What each homework section does: load, build, train, record, draw. Only here training and plots meet."""

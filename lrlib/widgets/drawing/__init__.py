"""What draws: charts and contours in the page, still figures where scripts do not run, the colours of both."""

"""The documentation as a site: staged from the Markdown of the repository, built strictly, its links followed."""

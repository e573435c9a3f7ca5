"""Pictures of docs/surveys.md: what the shipped heads predict for one galaxy as several surveys would show it."""

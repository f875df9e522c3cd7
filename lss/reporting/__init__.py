"""Tables, figures and the page: from statistics to what a person reads."""

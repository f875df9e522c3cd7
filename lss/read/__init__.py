"""Reading a new patient's study: `lss read STUDY`. The stage `predict` is another thing: it runs on the test part."""

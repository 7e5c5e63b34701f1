"""What was paid: the forms that bills come in, whose machine a charge names, and how far it is from the plan."""

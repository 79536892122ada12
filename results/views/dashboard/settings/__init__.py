"""What a merchant's people choose: where it hears us, who is believed, how it is shown, how long things stay."""

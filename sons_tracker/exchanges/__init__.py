"""Files exchanged with the accounting and the bank: written for them, read from them strictly."""

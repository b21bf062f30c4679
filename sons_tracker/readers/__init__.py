"""Files in formats that harm their readers (PDF, ZIP, XLSX, XML), read in a process apart, within limits."""

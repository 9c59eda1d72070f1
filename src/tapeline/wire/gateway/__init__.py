"""The live gateway: commands sent once, their outcome found out, everything cancelled when that is asked."""

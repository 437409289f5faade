"""Units of time and size. Time is an integer number of nanoseconds everywhere inside the pure rooms."""

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE

WEI = 1
GWEI = 10**9
ETHER = 10**18

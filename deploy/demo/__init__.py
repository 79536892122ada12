"""A PortOne to try against and a shop to be called: the two outsiders of `make demo` and of the tests.

`simulator` speaks PortOne's V1 wire format, `shop` is a merchant's server. Neither imports anything of
Paywitness, so what they accept or refuse is a second opinion and not an echo.
"""

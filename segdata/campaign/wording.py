"""Wording: ranges and shares as sentences have them."""

from segdata.campaign.projection import Range


def spoken(found: Range) -> str:
    """A range of counts in words.

    >>> spoken(Range(1200.0, 310.4, 2801.0)), spoken(Range(0.0, 0.0, 7.2))
    ('310 to 2,801', 'at most 7')
    """
    return f"{found.low:,.0f} to {found.high:,.0f}" if found.low >= 0.5 else f"at most {found.high:,.0f}"


def percent(share: float) -> str:
    """A share in percent, in few digits.

    >>> percent(0.0704), percent(0.0024), percent(0)
    ('7', '0.2', '0')
    """
    return f"{100 * share:.0f}" if share >= 0.0095 or share == 0 else f"{100 * share:.1g}"


def rounded_up(number: int) -> str:
    """A large number with two digits that count.

    >>> rounded_up(83), rounded_up(422408)
    ('83', '430,000')
    """
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def share_of(found: Range) -> str:
    """A range of shares in words.

    >>> share_of(Range(0.05, 0.031, 0.082))
    '3.1 % to 8.2 %'
    """
    return f"{100 * found.low:.1f} % to {100 * found.high:.1f} %"

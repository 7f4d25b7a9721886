#!/bin/bash
# The car's own software: what was switched off, and how it comes back. Sourced by the other scripts.
stock=${DEEPRACER_ROOT:-}/var/lib/deepracer_car/stock

# Switches it off, and notes how it was unless that is noted already.
replace_stock() {
    systemctl cat deepracer-core.service > /dev/null 2>&1 || return 0
    if [ ! -e "$stock" ]; then
        for is in enabled active; do
            ! systemctl "is-$is" --quiet deepracer-core.service || echo "$is"
        done > "$stock"
    fi
    systemctl disable --now deepracer-core.service
}

# Puts it back as it was, if it was switched off.
restore_stock() {
    [ -e "$stock" ] || return 0
    ! grep -q enabled "$stock" || systemctl enable deepracer-core.service || return 1
    ! grep -q active "$stock" || systemctl start deepracer-core.service || return 1
    rm "$stock"
}

# Puts deepracer-core back as the file $stock says it was, if we have ever switched it off.
restore_stock() {
    [ -e "$stock" ] || return 0
    ! grep -q enabled "$stock" || systemctl enable deepracer-core.service || return 1
    ! grep -q active "$stock" || systemctl start deepracer-core.service || return 1
    rm "$stock"
}

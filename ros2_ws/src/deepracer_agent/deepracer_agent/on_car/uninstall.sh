#!/bin/bash
# Takes the driver off the car and starts the car's own software again.
# Settings and drive logs stay; with --purge they go too. Say: sudo /opt/deepracer_car/uninstall.sh
set -uo pipefail
root=${DEEPRACER_ROOT:-}
units=$root/etc/systemd/system
# shellcheck source=stock.sh
. "$(dirname "${BASH_SOURCE[0]}")/stock.sh"

[ -n "$root" ] || [ "$(id -u)" = 0 ] || {
    echo "error: root's rights are needed: sudo $0" >&2
    exit 1
}
systemctl disable --now deepracer-car.service
systemctl stop deepracer-car-camera.service deepracer-car-servo.service 2> /dev/null
rm -rf "$units"/deepracer-car{,-camera,-servo}.service "$units/deepracer-car.service.d"
systemctl daemon-reload
status=0
if restore_stock; then
    rm -rf "$root/var/lib/deepracer_car"
    echo "The driver is gone; the car's own software is as it was before."
else
    status=1
    echo "error: deepracer-core does not start. Reason: journalctl -u deepracer-core" >&2
fi
rm -rf "$root/opt/deepracer_car" "$root/usr/local/bin/deepracer-car"
if [ "${1:-}" = --purge ]; then
    rm -rf "$root/etc/deepracer_car" "$root/var/log/deepracer_car"
fi
exit "$status"

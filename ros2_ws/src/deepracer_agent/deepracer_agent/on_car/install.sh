#!/bin/bash
# Installs what lies beside it, without an internet. Say: sudo bash install.sh
# Nothing of the car changes before the model has answered a picture on this very computer; if the
# driver does not start after that, the car's own software is put back.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=${DEEPRACER_ROOT:-}
home=$root/opt/deepracer_car
units=$root/etc/systemd/system

refuse() {
    echo "error: $*" >&2
    exit 1
}

[ -n "$root" ] || [ "$(id -u)" = 0 ] || refuse "root's rights are needed: sudo bash install.sh"
sha256sum --check --quiet --strict SHA256SUMS ||
    refuse "the files are damaged or incomplete. Deploy again."
# shellcheck disable=SC1091
. ./target
python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# shellcheck disable=SC2153
[ "$python $(uname -m)" = "$PYTHON $MACHINE" ] ||
    refuse "this is for Python $PYTHON on $MACHINE, the car has Python $python on $(uname -m)." \
        "Deploy with --python $python --arch $(uname -m)."
ls "$root"/opt/ros/*/setup.bash > /dev/null 2>&1 || refuse "there is no ROS 2 in /opt/ros."

rm -rf "$home.new"
trap 'rm -rf "$home.new"' EXIT
mkdir -p "$home.new/lib"
# A wheel is a zip archive, and these need no more than to be unpacked: pip may not be there.
for wheel in wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$home.new/lib"
done
cp -r model "$home.new/"
install -m 755 ros.sh uninstall.sh stock.sh deepracer-car "$home.new/"
env -u PYTHONHOME PYTHONPATH="$home.new/lib" python3 -c '
import sys
from deepracer_car.decision import Model
print("The model answers:", Model.open(sys.argv[1]).name)
' "$home.new/model" || refuse "the model does not run on this car; nothing was changed."

# shellcheck source=stock.sh
. ./stock.sh

undo() {
    trap - ERR
    "$home/uninstall.sh" || true
    refuse "the driver did not start and was taken off again. Reason: journalctl -u deepracer-car"
}

systemctl stop deepracer-car.service 2> /dev/null || true
rm -rf "$home"
mv "$home.new" "$home"
trap undo ERR
mkdir -p "$units/deepracer-car.service.d" "$root/etc/deepracer_car" "$root/usr/local/bin" \
    "$root/var/lib/deepracer_car" "$root/var/log/deepracer_car"
cp deployed.yaml "$home/"
[ -e "$root/etc/deepracer_car/settings.yaml" ] || cp settings.yaml "$root/etc/deepracer_car/"
ln -sf /opt/deepracer_car/deepracer-car "$root/usr/local/bin/deepracer-car"
install -m 644 deepracer-car.service "$units/"
if [ "$OUTPUT" = replace ]; then
    install -m 644 deepracer-car-camera.service deepracer-car-servo.service "$units/"
    install -m 644 deepracer-car-replace.conf "$units/deepracer-car.service.d/replace.conf"
    systemctl daemon-reload
    replace_stock
else
    rm -f "$units"/deepracer-car-{camera,servo}.service "$units/deepracer-car.service.d/replace.conf"
    systemctl daemon-reload
    restore_stock
fi
systemctl enable deepracer-car.service
systemctl start deepracer-car.service
echo "The driver runs, disarmed. To drive: deepracer-car throttle 0.3, then deepracer-car arm."

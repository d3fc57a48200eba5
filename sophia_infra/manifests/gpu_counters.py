"""What dcgm-exporter reads from each GPU: NVIDIA's own list, and rows of it that are off by default."""

from __future__ import annotations

from typing import Final

__all__ = ["COUNTERS_CONFIG_MAP", "counters_csv"]

COUNTERS_CONFIG_MAP: Final = "dcgm-metrics"

# Source: etc/dcp-metrics-included.csv of dcgm-exporter, which the GPU Operator points at. A ConfigMap takes
# the place of the whole file, so its rows are repeated here. No comma may stand in a help text.
_ON_BY_DEFAULT: Final = (
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz)."),
    ("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz)."),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C)."),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C)."),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W)."),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since boot (in mJ)."),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "PCIe retries."),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %)."),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %)."),
    ("DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %)."),
    ("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %)."),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error."),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB)."),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB)."),
    ("DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved (in MiB)."),
    ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "counter", "NVLink bandwidth of all lanes."),
    ("DCGM_FI_DEV_VGPU_LICENSE_STATUS", "gauge", "vGPU license status."),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped for uncorrectable errors."),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped for correctable errors."),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed."),
    ("DCGM_FI_DRIVER_VERSION", "label", "Driver version."),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active."),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Ratio of cycles the tensor pipe is active."),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Ratio of cycles the device memory is active."),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", "gauge", "Bytes sent over PCIe in a second."),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", "gauge", "Bytes received over PCIe in a second."),
)
# Counts of XIDs by their code tell what the last XID alone cannot; violations and clock events say why a GPU
# that is paid for runs slowly; ECC totals tell a GPU that is going to fail.
_ON_BY_US: Final = (
    ("DCGM_EXP_XID_ERRORS_COUNT", "gauge", "XIDs within the last window by code."),
    ("DCGM_EXP_CLOCK_EVENTS_COUNT", "gauge", "Clock events within the last window by reason."),
    ("DCGM_EXP_GPU_HEALTH_STATUS", "gauge", "Health of the GPU as DCGM sees it."),
    ("DCGM_FI_DEV_POWER_VIOLATION", "counter", "Throttling because of power (in ns)."),
    ("DCGM_FI_DEV_THERMAL_VIOLATION", "counter", "Throttling because of heat (in ns)."),
    ("DCGM_FI_DEV_BOARD_LIMIT_VIOLATION", "counter", "Throttling because of board limits (in ns)."),
    ("DCGM_FI_DEV_RELIABILITY_VIOLATION", "counter", "Throttling because of reliability (in ns)."),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Single-bit volatile ECC errors."),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Double-bit volatile ECC errors."),
    ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "counter", "Single-bit persistent ECC errors."),
    ("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "counter", "Double-bit persistent ECC errors."),
    ("DCGM_FI_DEV_RETIRED_SBE", "counter", "Pages retired because of single-bit errors."),
    ("DCGM_FI_DEV_RETIRED_DBE", "counter", "Pages retired because of double-bit errors."),
    ("DCGM_FI_DEV_RETIRED_PENDING", "counter", "Pages that wait for their retirement."),
    ("DCGM_FI_PROF_SM_ACTIVE", "gauge", "Ratio of cycles an SM has a warp assigned."),
)


def counters_csv() -> str:
    """Lines `field, type, help` as dcgm-exporter reads them; a field that a GPU lacks is left out there."""
    rows = (*_ON_BY_DEFAULT, *_ON_BY_US)
    return "".join(f"{field}, {kind}, {text}\n" for field, kind, text in rows)

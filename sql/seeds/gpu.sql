-- grain: one row per accelerator
create or replace table gpu (
    gpu_id varchar not null,
    name varchar not null,
    vendor varchar not null,
    architecture varchar,
    form_factor varchar not null,
    memory_gib double,
    memory_bandwidth_gb_per_second double,
    fp32_tflops double,
    tf32_tflops double,
    fp16_tflops double,
    bf16_tflops double,
    fp8_tflops double,
    fp4_tflops double,
    int8_tops double,
    measured_bf16_tflops double,
    interconnect varchar,
    interconnect_gb_per_second double,
    network_gb_per_second double not null,
    fabric_gpus integer not null,
    has_peer_access boolean not null,
    pcie_generation integer,
    tdp_watts double,
    released_year integer,
    gpus_per_node integer not null,
    compute_capability double,
    host_cpu varchar not null,
    is_trainable boolean not null,
    unverified varchar,
    source varchar
);
comment on table gpu is 'One row per accelerator, from reviewed data sheets.';
comment on column gpu.gpu_id is 'Slug of name, form factor and memory; an unknown form factor is its own id.';
comment on column gpu.name is 'Name for people.';
comment on column gpu.vendor is 'Maker of the chip.';
comment on column gpu.architecture is 'Generation.';
comment on column gpu.form_factor is 'sxm, pcie, nvl, oam, superchip, board, mig or gcd (parts of a card), or unknown.';
comment on column gpu.memory_gib is 'Memory of one accelerator; null where the id leaves it open.';
comment on column gpu.memory_bandwidth_gb_per_second is 'Memory bandwidth, 10^9 bytes per second.';
comment on column gpu.fp32_tflops is 'Peak fp32 rate, 10^12 FLOP/s.';
comment on column gpu.tf32_tflops is 'Peak dense tf32 rate.';
comment on column gpu.fp16_tflops is 'Peak dense fp16 rate with fp32 accumulation.';
comment on column gpu.bf16_tflops is 'Peak dense bf16 rate.';
comment on column gpu.fp8_tflops is 'Peak dense fp8 rate.';
comment on column gpu.fp4_tflops is 'Peak dense fp4 rate.';
comment on column gpu.int8_tops is 'Peak dense int8 rate, 10^12 operations per second.';
comment on column gpu.measured_bf16_tflops is 'Best matrix product rate that was measured: ml-engineering, tables of the highest matrix-multiply rates; RTX cards and L40S: zzc0721/torch-performance-test-data, database.md and issues 66 and 131, read 2026-11-30, median of their rows.';
comment on column gpu.interconnect is 'Link to the other accelerators of the node.';
comment on column gpu.interconnect_gb_per_second is 'Its bandwidth, both directions together.';
comment on column gpu.network_gb_per_second is 'Usual rate of one accelerator to other nodes, one direction, 10^9 bytes per second.';
comment on column gpu.fabric_gpus is 'Accelerators that the interconnect joins without the network, where more than a node; else 1.';
comment on column gpu.has_peer_access is 'Whether one card may read the memory of another.';
comment on column gpu.pcie_generation is 'PCIe generation.';
comment on column gpu.tdp_watts is 'Rated power.';
comment on column gpu.released_year is 'Year of release.';
comment on column gpu.gpus_per_node is 'Accelerators in the usual node.';
comment on column gpu.compute_capability is 'Compute capability that NVIDIA states; null for other makers.';
comment on column gpu.host_cpu is 'x86 or arm: the processor of the usual host.';
comment on column gpu.is_trainable is 'Whether it is meant for training.';
comment on column gpu.unverified is 'Columns of this row that no document confirmed.';
comment on column gpu.source is 'Data sheet.';

import Documents
import Testing

import Launchers

/// GPUs by what a job asks Slurm for.
@Suite struct SlurmImportTests {
  private static let options = """
    --num-layers 8 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 \
    --max-position-embeddings 1024 --vocab-size 1000 --micro-batch-size 1 --global-batch-size 64 --bf16
    """

  private func ranks(
    _ header: String, start: String = "srun python pretrain_gpt.py"
  ) throws -> Int {
    try ImportTests.job("#!/bin/bash\n\(header)\n\(start) \(Self.options)\n", name: "run.sh").ranks
  }

  /// Every way in which 32 GPUs are asked for.
  @Test(arguments: [
    "#SBATCH --nodes=4\n#SBATCH --gres=gpu:8", "#SBATCH --nodes=4\n#SBATCH --gres=gpu:h100:8",
    "#SBATCH --nodes 4 --gpus-per-node=a100:8 # the large ones", "#SBATCH -N4 --gres=gpu:8,nvme:1",
    "#SBATCH --nodes=4-4 --ntasks-per-node=8", "#SBATCH --gpus=32", "#SBATCH -G h100:32",
    "#SBATCH -n 32", "#SBATCH --ntasks=32\n#SBATCH --gpus-per-task=1",
    "#SBATCH --ntasks=4 --gpus-per-task=8", "#SBATCH --ntasks=32 --ntasks-per-node=8",
    "#SBATCH --ntasks=32 --gres=gpu:8", "#SBATCH --nodes=4 --ntasks-per-node=1 --gpus-per-task=8",
    "#SBATCH --nodes=4 --gpus-per-node=4\n#SBATCH --gpus-per-node=8",
  ])
  func headers(_ header: String) throws {
    #expect(try ranks(header) == 32)
  }

  @Test func whatTheLaunchSaysGoesBefore() throws {
    #expect(try ranks("", start: "srun -N4 --gpus-per-node=8 python pretrain_gpt.py") == 32)
    #expect(try ranks("#SBATCH --nodes=2", start: "srun -N 4 --gres gpu:8 python x_gpt.py") == 32)
    let torchrun = "srun torchrun --nproc_per_node 4 --nnodes 2 pretrain_gpt.py"
    #expect(try ranks("#SBATCH --nodes=4\n#SBATCH --gres=gpu:8", start: torchrun) == 8)
    #expect(try ranks("#SBATCH --gpus=32", start: torchrun) == 8)
    let local = "srun torchrun --nproc_per_node 8 pretrain_gpt.py"
    #expect(try ranks("#SBATCH --gpus=32", start: local) == 32)
    #expect(try ranks("", start: "mpirun -np 32 --hostfile h python pretrain_gpt.py") == 32)
  }

  /// Slurm sets variables by the header, which a definition goes before.
  @Test func whatSlurmSetsForTheScript() throws {
    let header = "#SBATCH -N4 --gres=gpu:h100:8 --ntasks-per-node=1"
    let start = "srun torchrun --nproc_per_node $SLURM_GPUS_ON_NODE --nnodes"
    for nodes in [
      "$SLURM_NNODES", "${SLURM_JOB_NUM_NODES:-2}", "$((SLURM_NNODES * SLURM_NTASKS_PER_NODE))",
    ] {
      #expect(try ranks(header, start: "\(start) \(nodes) pretrain_gpt.py") == 32, "\(nodes)")
    }
    #expect(
      try ranks("", start: "torchrun --nproc_per_node ${SLURM_NTASKS:-4} pretrain_gpt.py") == 4)
    var settings = ImportSettings()
    settings.definitions = ["SLURM_NNODES": "2"]
    let text = "\(header)\n\(start) $SLURM_NNODES pretrain_gpt.py \(Self.options)"
    #expect(try LauncherImport.job(texts: [("run.sh", text)], settings).ranks == 16)
  }

  @Test func whatSaysNoNumberIsRefused() throws {
    let start = "srun python pretrain_gpt.py \(Self.options)"
    let range = try ImportTests.refusal("#SBATCH --nodes=4-8 --gpus-per-node=8\n\(start)")
    #expect(range.line == 1 && range.value == "4-8")
    let twice = try ImportTests.refusal("#SBATCH --nodes=4 --gres=gpu:8 --gpus=16\n\(start)")
    #expect(twice.line == 1 && twice.rule.contains("contradicts 4 nodes of 8 GPUs"))
    let huge = try ImportTests.refusal(
      "#SBATCH --ntasks=9223372036854775807 --gpus-per-task=9\n\(start)")
    #expect(huge.line == 1)
  }

  /// Whoever says how many GPUs there are needs no number of the file.
  @Test func gpusOfTheImportGoBefore() throws {
    for header in ["--nodes=4-8 --gpus-per-node=8", "--nodes=4 --gres=gpu:8 --gpus=16"] {
      let text = "#SBATCH \(header)\nsrun python pretrain_gpt.py \(Self.options)"
      #expect(try ImportTests.job(text, ranks: 16).ranks == 16)
    }
  }

  /// Slurm reads its lines up to the first command, and a step that trains nothing asks for itself alone.
  @Test func whatAsksForNothing() throws {
    let asked = "#SBATCH --nodes=4 --gres=gpu:8 --gpus=32\n"
    #expect(try ranks("# a job\n\n\(asked)set -e\n#SBATCH --nodes=2") == 32)
    #expect(try ranks("##SBATCH --nodes=2\n\(asked)srun --nodes=1 --ntasks=1 hostname") == 32)
  }
}

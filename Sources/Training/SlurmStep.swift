import Foundation

/// What Slurm says of the step that this process belongs to.
///
/// Where Slurm starts several processes and hands out no PMI that the MPI library speaks, each
/// believes to be alone, and each would train the whole run into the same folder.
public struct SlurmStep: Hashable, Sendable {
  /// This process's place among those of the step, from 0.
  public var process: Int
  /// How many processes Slurm has started in the step.
  public var processes: Int

  /// Reads Slurm's variables; nil outside of a step that `srun` started.
  ///
  /// The script of a batch job and an interactive shell have steps of their own kind, whose numbers
  /// lie at the end of 32 bits or which have none: they are one process, whatever the job asked for.
  public init?(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    func number(_ names: String...) -> Int? {
      names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
    }
    guard let step = number("SLURM_STEP_ID", "SLURM_STEPID"), (0..<0xffff_fff0).contains(step),
      let processes = number("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"),
      let process = number("SLURM_PROCID")
    else { return nil }
    self.process = process
    self.processes = processes
  }

  /// Why a process that knows of no others does not begin; nil if it is alone.
  public var refusal: String? {
    guard processes > 1 else { return nil }
    return
      "Slurm has started \(processes) processes that do not find each other, and each would train "
      + "the whole run: start them with srun --mpi=pmix, or one of them with --ranks \(processes)"
  }
}

import Testing
import Training

/// Slurm's variables: processes of one step that do not find each other.
@Suite struct SlurmStepTests {
  @Test func aStepOfSeveralProcessesIsRefused() throws {
    let step = try #require(
      SlurmStep([
        "SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_NPROCS": "2",
        "SLURM_PROCID": "1", "SLURM_LOCALID": "1",
      ]))
    #expect(step.process == 1)
    #expect(try #require(step.refusal).contains("Slurm has started 2 processes"))
  }

  /// The step's own count, which may be less than the job's.
  @Test func oneProcessIsAlone() {
    let environment = [
      "SLURM_STEP_ID": "3", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0",
    ]
    #expect(SlurmStep(environment)?.refusal == nil)
  }

  /// A batch script and an interactive shell are one process, whatever the job asked for.
  @Test(arguments: [nil, "4294967291", "4294967290"])
  func scriptsAreNoStep(step: String?) {
    var environment = ["SLURM_JOB_ID": "77", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"]
    environment["SLURM_STEP_ID"] = step
    #expect(SlurmStep(environment) == nil)
  }

  /// A process knows its place before MPI begins: from its launcher, else from Slurm's step.
  @Test func aRankIsKnownFromTheEnvironment() {
    let step = ["SLURM_STEP_ID": "0", "SLURM_NTASKS": "8", "SLURM_PROCID": "5"]
    #expect(Launch.rank(step) == 5)
    for name in ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"] {
      #expect(Launch.rank(step.merging([name: "3"]) { $1 }) == 3)
    }
    #expect(Launch.rank(["SLURM_JOB_ID": "77", "SLURM_PROCID": "5"]) == nil)
    #expect(Launch.rank([:]) == nil)
  }
}

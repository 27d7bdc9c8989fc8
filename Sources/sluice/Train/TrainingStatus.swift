#if MPI
  import Documents
  import MessagePassing
  import Training

  /// The exit status that stands for an error of a run; nil for errors of other commands.
  func trainingStatus(of error: any Error) -> Training.ExitStatus? {
    switch error {
    case is CheckpointError: .storage
    case TrainingError.notFinite: .diverged
    case is TrainingError: .badInput
    case is MPIError: .peer
    case is UnequalError: .unequal
    default: nil
    }
  }

  /// A comparison that was asked for found a difference.
  struct UnequalError: Error, CustomStringConvertible {
    var description: String
  }
#endif

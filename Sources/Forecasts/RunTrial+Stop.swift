extension RunTrial {
  /// Why steps stand still.
  enum Stop {
    /// Something broke, and is known to have after so long.
    case failure(detection: Double, repair: Double?, keepsState: Bool)
    /// The state was wrong; all copies of it go.
    case rollback
    /// It is wanted: the state is saved first, and the nodes stay.
    case planned
  }

  /// What the next steps need that they do not have.
  struct Need {
    /// Nodes are asked for again.
    var requeues = true
    /// The state is read: replicas that keep theirs only pause.
    var reads = true
    /// Seconds of reading.
    var load: Double
    /// Copies in memory of what is lost, on other nodes; nil where only storage has it.
    var copies: Int?

    /// After a failure: from memory where it is kept there.
    init(_ recovery: RunModel.Recovery) {
      load = recovery.memoryLoad ?? recovery.load
      copies = recovery.memoryLoad == nil ? nil : recovery.otherCopies
    }

    /// Only storage has the state.
    mutating func readStorage(_ recovery: RunModel.Recovery) {
      (load, copies) = (recovery.load, nil)
    }

    /// From having nodes, or asking for them, to the next step.
    func seconds(_ recovery: RunModel.Recovery) -> Double {
      if !reads, case .resume(let pause) = recovery.elastic { return pause }
      return (requeues ? recovery.requeue : 0) + recovery.start + load
    }
  }
}

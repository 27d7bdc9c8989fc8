extension RunTrial {
  /// Why steps stand still.
  enum Stop {
    /// Something broke, and is known to have after so long; so many replicas keep their state.
    case failure(detection: Double, repair: Double?, holders: Int)
    /// The state was wrong; all copies of it go.
    case rollback
    /// It is wanted: the state is saved first, and the nodes stay.
    case planned
    /// The same behind a checkpoint, with the replicas that were lost from here on.
    case takingBack
  }

  /// A failure before steps go on.
  struct Interruption {
    /// Until it is known.
    var detection: Double
    var losesNode: Bool
  }

  /// What the next steps need that they do not have.
  struct Need {
    /// Nodes are asked for again.
    var requeues = true
    /// Replicas that keep their state in memory, and all that the job has, new ones among them.
    var holders = 0
    var replicas = 0
    /// Seconds of reading.
    var load: Double
    /// Seconds in which what runs comes to its end.
    var ending = 0.0
    /// Copies in memory of what is lost, on other nodes; nil where only storage has it.
    var copies: Int?

    /// The state is read: replicas that keep theirs only pause.
    var reads: Bool { holders == 0 }

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
      return ending + (requeues ? recovery.requeue : 0) + recovery.start(on: replicas) + load
    }
  }
}

extension RunModel.Recovery {
  /// Replicas that a stop breaks: all that have a rank on its node, or the one whose process ended.
  func replicasLost(withNode losesNode: Bool) -> Int { losesNode ? replicasOfNode : 1 }
}

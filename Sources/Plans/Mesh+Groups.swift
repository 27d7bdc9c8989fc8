import Schedules

extension Mesh {
  /// Ranks that differ in one thing only, and work together on it.
  public enum Group: String, Hashable, Sendable, CaseIterable {
    /// Ranks that share each layer's matrix products.
    case tensor
    /// Ranks that share each sequence.
    case context
    /// Ranks of one pipeline position that hold different sequences.
    case data
    /// Ranks that hold the stages of one pipeline.
    case pipeline
    /// Ranks that share the matrix products of the same experts.
    case expertTensor = "expert-tensor"
    /// Ranks over which the routed experts are spread.
    case expert
    /// Ranks of one pipeline position that hold the same part of the same experts.
    case expertData = "expert-data"
  }

  /// The ranks of the group of a kind that `rank` belongs to, in the order of their coordinate.
  public func group(_ kind: Group, of rank: Int) -> [Int] {
    let own = coordinates(of: rank)
    let expert = expertCoordinates(of: rank)
    switch kind {
    case .tensor: return ranks(tensorParallel, from: own) { $0.tensor = $1 }
    case .context: return ranks(contextParallel, from: own) { $0.context = $1 }
    case .data: return ranks(dataParallel, from: own) { $0.data = $1 }
    case .pipeline: return ranks(pipelineParallel, from: own) { $0.pipeline = $1 }
    case .expertTensor: return ranks(expertTensorParallel, from: expert) { $0.tensor = $1 }
    case .expert: return ranks(expertParallel, from: expert) { $0.expert = $1 }
    case .expertData: return ranks(expertDataParallel, from: expert) { $0.data = $1 }
    }
  }

  /// All groups of a kind, by their smallest rank; every rank is in exactly one.
  public func groups(_ kind: Group) -> [[Int]] {
    (0..<worldSize).compactMap { rank in
      let group = group(kind, of: rank)
      return group.first == rank ? group : nil
    }
  }

  private func ranks(
    _ count: Int, from own: Coordinates, _ move: (inout Coordinates, Int) -> Void
  ) -> [Int] {
    (0..<count).map { index in
      var place = own
      move(&place, index)
      return rank(at: place)
    }
  }

  private func ranks(
    _ count: Int, from own: ExpertCoordinates, _ move: (inout ExpertCoordinates, Int) -> Void
  ) -> [Int] {
    (0..<count).map { index in
      var place = own
      move(&place, index)
      return rank(atExpert: place)
    }
  }
}

extension Mesh {
  /// The pipeline positions that hold any of the given stages, in the order of the microbatches
  /// that they see, each once.
  ///
  /// Under DualPipe a stage has two: its own for the first half of the microbatches, the mirrored
  /// one for the second.
  public func positions(ofStages stages: [Int], placement: Placement) -> [Int] {
    var positions: [Int] = []
    func add(_ position: Int) { if !positions.contains(position) { positions.append(position) } }
    switch placement {
    case .fixed(let ranks): for stage in stages { add(ranks[stage]) }
    case .bidirectional(let ranks):
      for stage in stages { add(stage) }
      for stage in stages { add(ranks - 1 - stage) }
    }
    return positions
  }

  /// The ranks that hold a copy of a tensor which lies on the given stages, so that they reduce
  /// its gradient and divide its optimizer state among them.
  ///
  /// More than one stage for a tied embedding and for the copies of prediction modules. Order: data
  /// first, then context, then pipeline position: ranks follow the microbatches that they own, as
  /// a data rank, and in it each direction of DualPipe, owns a contiguous block.
  ///
  /// - Parameter rank: any rank that holds the tensor; its tensor coordinate is kept.
  public func gradientGroup(ofStages stages: [Int], placement: Placement, rank: Int) -> [Int] {
    let own = coordinates(of: rank)
    let positions = holders(ofStages: stages, placement: placement, rank: rank)
    return (0..<dataParallel).flatMap { data in
      (0..<contextParallel).flatMap { context in
        positions.map {
          self.rank(
            at: Coordinates(tensor: own.tensor, context: context, data: data, pipeline: $0))
        }
      }
    }
  }

  /// The ranks that hold the same part of the same experts of the given stage as `rank`, in the order of
  /// `gradientGroup`.
  public func expertGradientGroup(ofStage stage: Int, placement: Placement, rank: Int) -> [Int] {
    let own = expertCoordinates(of: rank)
    let positions = holders(ofStages: [stage], placement: placement, rank: rank)
    return (0..<expertDataParallel).flatMap { data in
      positions.map { position in
        var place = own
        (place.data, place.pipeline) = (data, position)
        return self.rank(atExpert: place)
      }
    }
  }

  private func holders(ofStages stages: [Int], placement: Placement, rank: Int) -> [Int] {
    let positions = positions(ofStages: stages, placement: placement)
    precondition(
      positions.contains(coordinates(of: rank).pipeline), "rank \(rank) holds none of these stages")
    return positions
  }
}

extension Plan {
  /// The grid of ranks that the plan describes.
  public var mesh: Mesh {
    Mesh(
      tensorParallel: tensorParallel, contextParallel: contextParallel,
      dataParallel: dataParallel, pipelineParallel: pipelineParallel,
      expertParallel: expertParallel, expertTensorParallel: expertTensorParallel)
  }
}

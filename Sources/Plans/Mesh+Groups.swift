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
    /// Ranks over which the routed experts are spread.
    case expert
    /// Ranks of one pipeline position that hold the same experts for different data.
    case expertData = "expert-data"
  }

  /// The ranks of the group of a kind that `rank` belongs to, in the order of their coordinate.
  public func group(_ kind: Group, of rank: Int) -> [Int] {
    let own = coordinates(of: rank)
    let expert = own.data % expertParallel
    switch kind {
    case .tensor: return ranks(tensorParallel, from: own) { $0.tensor = $1 }
    case .context: return ranks(contextParallel, from: own) { $0.context = $1 }
    case .data: return ranks(dataParallel, from: own) { $0.data = $1 }
    case .pipeline: return ranks(pipelineParallel, from: own) { $0.pipeline = $1 }
    case .expert:
      return ranks(expertParallel, from: own) { $0.data = own.data - expert + $1 }
    case .expertData:
      return ranks(dataParallel / expertParallel, from: own) {
        $0.data = expert + $1 * expertParallel
      }
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
    members(ofStages: stages, placement: placement, rank: rank, data: Array(0..<dataParallel))
  }

  /// The ranks that hold the same experts of the given stage as `rank`, in the order of
  /// `gradientGroup`.
  ///
  /// Data ranks `expertParallel` apart, all context ranks and, where experts are divided less than
  /// other matrices, the tensor ranks that hold the same slice.
  public func expertGradientGroup(ofStage stage: Int, placement: Placement, rank: Int) -> [Int] {
    let expert = expertCoordinate(of: rank)
    return members(
      ofStages: [stage], placement: placement, rank: rank,
      data: Array(stride(from: expert, to: dataParallel, by: expertParallel)),
      slices: expertTensorParallel)
  }

  private func members(
    ofStages stages: [Int], placement: Placement, rank: Int, data: [Int], slices: Int? = nil
  ) -> [Int] {
    let own = coordinates(of: rank)
    let positions = positions(ofStages: stages, placement: placement)
    precondition(positions.contains(own.pipeline), "rank \(rank) holds none of these stages")
    let step = slices ?? tensorParallel
    let tensors = Array(stride(from: own.tensor % step, to: tensorParallel, by: step))
    return data.flatMap { data in
      (0..<contextParallel).flatMap { context in
        positions.flatMap { pipeline in
          tensors.map {
            self.rank(
              at: Coordinates(tensor: $0, context: context, data: data, pipeline: pipeline))
          }
        }
      }
    }
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

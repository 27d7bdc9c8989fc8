import Engines
import Kernels
import Programs

extension RankBackend {
  /// Where the gradients of a segment begin, which are reduced in place.
  func gradients(of segment: GradientSegment, _ stage: Int) -> UnsafeMutablePointer<Float> {
    floats(assignment.programs[stage].parameters[segment.parameters[0]].gradient, stage)
  }

  /// The tensors of a segment with the elements at which they begin.
  private func tensors(_ segment: GradientSegment, _ stage: Int) -> [(parameter: Int, start: Int)] {
    var start = 0
    return (segment.isShared ? Array(segment.parameters[..<1]) : segment.parameters).map {
      let first = start
      start += assignment.programs[stage].parameters[$0].elements
      return ($0, first)
    }
  }

  /// Sums the squares of the part that this copy folded, block by block.
  func sumSquares(segment index: Int, stage: Int) {
    let segment = assignment.programs[stage].segments[index]
    let own = assignment.ownShare[stage][index]
    let range = segment.folds[own]
    let gradient = gradients(of: segment, stage)
    let size = GradientSegment.blockElements
    for (parameter, start) in tensors(segment, stage) {
      let elements = assignment.programs[stage].parameters[parameter].elements
      let first = max(start, range.lowerBound)
      let end = min(start + elements, range.upperBound)
      if first >= end { continue }
      let block = assignment.blocks.starts[stage][parameter] + (first - start) / size
      sums.squares.withUnsafeMutableBufferPointer { sums in
        guard let base = sums.baseAddress else { return }
        blockSumsOfSquares(base + block, gradient + first, count: end - first)
      }
    }
  }

  /// Updates the shard of this copy.
  func updateShard(segment index: Int, stage: Int) {
    let program = assignment.programs[stage]
    let segment = program.segments[index]
    let range = segment.shards[assignment.ownShare[stage][index]]
    let weights = floats(program.parameters[segment.parameters[0]].buffer, stage)
    let gradient = gradients(of: segment, stage)
    let first = floats(segment.firstMoment, stage) - range.lowerBound
    let second = floats(segment.secondMoment, stage) - range.lowerBound
    for (parameter, start) in tensors(segment, stage) {
      let lower = max(start, range.lowerBound)
      let upper = min(start + program.parameters[parameter].elements, range.upperBound)
      if lower >= upper { continue }
      let decays = !setting.decaysMatricesOnly || program.parameters[parameter].isMatrix
      adamW(
        weights + lower, moment1: first + lower, moment2: second + lower, gradient + lower,
        count: upper - lower, step: update, gradientScale: Float(agreed.clip),
        AdamWSettings(
          learningRate: learningRate, beta1: setting.beta1, beta2: setting.beta2,
          epsilon: setting.epsilon, decay: decays ? setting.weightDecay : 0))
    }
  }

  /// Agrees with all ranks on losses, gradient norm and expert loads, and moves correction biases.
  func agree() -> Bool {
    attempt {
      var packed = sums.packed
      try links.world.allReduce(&packed, .sum)
      sums.packed = packed
      agreed = sums.agreed(clipNorm: setting.clipNorm)
      guard agreed.norm.isFinite, agreed.losses.allSatisfy(\.isFinite) else {
        guard mode.isTraining else {
          let loss = agreed.losses.first { !$0.isFinite } ?? agreed.losses[0]
          throw TrainingError.notFiniteEvaluation(loss: loss)
        }
        throw TrainingError.notFinite(step: update, loss: agreed.losses[0], norm: agreed.norm)
      }
      if setting.biasSpeed != 0 { moveBiases() }
    }
    return true
  }

  /// An expert with more than its share of the step's tokens gets a lower bias (DeepSeek-V3 report,
  /// arXiv 2412.19437, section 2.1.2).
  private func moveBiases() {
    for stage in assignment.localStages {
      for parameter in assignment.programs[stage].parameters
      where parameter.roles == [.correctionBias] {
        let layer = assignment.layer(of: parameter.unit)
        let bias = floats(parameter.buffer, stage)
        let count = parameter.elements
        let first = layer * assignment.expertCount
        let loads = agreed.loads[first..<first + count]
        let mean = loads.reduce(0, +) / Double(count)
        for (expert, load) in loads.enumerated() where load != mean {
          bias[expert] += Float(load < mean ? setting.biasSpeed : -setting.biasSpeed)
        }
      }
    }
  }
}

extension StageParameter {
  /// A tensor of two dimensions, which decays where only matrices do; a vector has one row.
  var isMatrix: Bool { rows > 1 }
}

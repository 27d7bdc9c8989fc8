import Documents

extension PlanReader {
  /// Reads the degrees; data parallelism, or with a known number of ranks the one degree that is
  /// missing, follows from the others.
  mutating func readDegrees(_ world: World) throws(ConfigurationError) {
    let data = try table.optional(keys.dataParallel)
    let pipeline = try table.optional(keys.pipelineParallel)
    let tensor = try table.optional(keys.tensorParallel)
    plan.contextParallel = try table.value(keys.contextParallel)
    plan.contextExchange = try table.optional(keys.contextExchange)
    plan.expertParallel = try table.value(keys.expertParallel)
    plan.dataParallel = data ?? 1
    plan.pipelineParallel = pipeline ?? 1
    plan.tensorParallel = tensor ?? 1
    guard plan.checkedWorldSize != nil else {
      throw table.error("the product of the degrees does not fit in 64 bits")
    }
    if data == nil {
      plan.dataParallel = try share(of: world, missing: keys.dataParallel)
    } else if case .ranks = world, pipeline == nil || tensor == nil {
      let rest = try share(
        of: world, missing: pipeline == nil ? keys.pipelineParallel : keys.tensorParallel)
      switch (pipeline, tensor) {
      case (nil, _?): plan.pipelineParallel = rest
      case (_?, nil): plan.tensorParallel = rest
      default:
        guard rest == 1 else {
          throw table.error(
            "pipeline-parallel and tensor-parallel are missing, and the ranks leave \(rest) to "
              + "divide between them")
        }
      }
    }
    plan.expertTensorParallel = try table.value(
      keys.expertTensorParallel, default: plan.tensorParallel)
    plan.sequenceParallel = try table.value(
      keys.sequenceParallel, default: plan.tensorParallel > 1)
  }

  /// What the given degrees leave of the world for the missing one.
  private func share(of world: World, missing key: Key<Int>) throws(ConfigurationError) -> Int {
    let given = plan.worldSize
    switch world {
    case .unknown: return 1
    case .devices(let count), .ranks(let count):
      guard count % given == 0, count > 0 else {
        throw table.error(
          "\(key.name) is missing and cannot be worked out: \(plan.product), \(given) in all, does "
            + "not divide \(count) "
            + (world == .ranks(count) ? "ranks" : "devices"))
      }
      return count / given
    }
  }
}

extension Plan {
  /// Ranks that the plan needs, or nil if the product leaves 64 bits.
  var checkedWorldSize: Int? {
    var size = 1
    for degree in [dataParallel, tensorParallel, contextParallel, pipelineParallel] {
      let (product, overflow) = size.multipliedReportingOverflow(by: degree)
      guard !overflow else { return nil }
      size = product
    }
    return size
  }

  /// The degrees above 1 for messages: `tensor 8 x pipeline 4`.
  var product: String {
    let degrees = [
      ("data", dataParallel), ("tensor", tensorParallel), ("context", contextParallel),
      ("pipeline", pipelineParallel),
    ]
    let parts = degrees.filter { $0.1 != 1 }.map { "\($0.0) \($0.1)" }
    return parts.isEmpty ? "one rank" : parts.joined(separator: " x ")
  }
}

#if MPI
  import Models
  import Plans
  import Programs
  import Schedules
  import Simulation

  /// What ranks send to reduce gradients and to gather parameters, as plan and programs say: every copy
  /// of a segment sends each other one the part that the other folds, and gets the parts of all back.
  struct GradientMessages {
    let placed: PlacedPlan
    let input: StepInput

    private struct Use {
      var stage: Int
      /// How many parameters of the stage are uses of the segment's tensor.
      var count: Int
    }

    /// Bytes that a rank sends in a step.
    func bytes(rank: Int) -> Int {
      let place = placed.mesh.coordinates(of: rank)
      return input.ranks[place.pipeline].stages.reduce(0) { sum, stage in
        sum
          + input.stages[stage].segments.filter { $0.copies > 1 }.reduce(0) {
            $0 + bytes($1, stage: stage, place)
          }
      }
    }

    private func bytes(
      _ segment: GradientSegment, stage: Int, _ place: Mesh.Coordinates
    ) -> Int {
      let uses = uses(of: segment, stage: stage)
      guard let number = uses.firstIndex(where: { $0.stage == stage }) else { return 0 }
      let plan = placed.plan
      let isExpert = segment.group == .expertGradient
      let data = isExpert ? place.data / plan.expertParallel : place.data
      let first = placed.schedule.placement.rank(
        ofStage: stage, microbatch: 0, microbatchCount: placed.schedule.microbatchCount)
      let directions = plan.isBidirectional ? 2 : 1
      let direction = first == place.pipeline ? 0 : 1
      let own = (data * directions + direction) * uses.count + number
      let others = segment.folds.enumerated().reduce(0) {
        $0 + ($1.offset == own ? 0 : $1.element.count)
      }
      let isSharded = plan.zeroStage.rawValue >= 1
      let back = (isSharded ? segment.shards : segment.folds)[own].count
      return 4 * (uses[number].count * others + (segment.copies - 1) * back)
    }

    /// The stages with a use of the segment's tensors, in order.
    private func uses(of segment: GradientSegment, stage: Int) -> [Use] {
      guard segment.isShared else { return [Use(stage: stage, count: 1)] }
      return input.stages.enumerated().compactMap { stage, program in
        let count = program.parameters.count {
          $0.isTrained && $0.gradientGroup == segment.group
        }
        return count == 0 ? nil : Use(stage: stage, count: count)
      }
    }
  }
#endif

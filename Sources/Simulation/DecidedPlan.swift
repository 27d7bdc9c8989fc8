import Plans

extension ClusterPricing {
  /// A plan with what the cluster decides where it says nothing: the libraries of products and of attention, and all
  /// multiprocessors for computation.
  func decided(_ plan: Plan) -> Plan {
    var plan = plan
    plan.library = plan.library ?? library
    // No library that a plan can name has kernels for 32 bits.
    if plan.fusedAttention, !plan.precision.has32BitAttention {
      plan.attentionLibrary = plan.attentionLibrary ?? device.attention.usual
    }
    plan.computationSMs = plan.computationSMs ?? device.multiprocessors
    return plan
  }
}

extension PlannedStep {
  /// The plan with everything that decides the step, whoever said it.
  public var decidedPlan: Plan { pricing.decided(placed.plan) }
}

extension PlannedInference {
  /// The plan with everything that decides the step, whoever said it.
  public var decidedPlan: Plan { pricing.decided(filled) }
}

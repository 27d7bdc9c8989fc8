import Plans
import Programs

/// What the host takes to issue kernels and transfers.
extension ClusterPricing {
  public func hostSeconds(of operation: Operation) -> Double {
    Double(operation.kernel.launchCount(plan)) * hostSecondsOfTransfer
  }

  public var hostSecondsOfTransfer: Double {
    let launch = cluster.device.launch
    let issued = plan.execution == .eager ? launch.eager ?? launch.host : launch.host
    return issued.value.value
  }

  public var capturesGraphs: Bool { plan.cudaGraphs }
  public var waitsForCounts: Bool { plan.countsAreAwaited }
}

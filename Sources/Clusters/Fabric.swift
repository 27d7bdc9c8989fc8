/// A cluster's shape as plain numbers, for the questions that a simulation asks by the million.
struct Fabric: Hashable, Sendable {
  let devicesPerNode: Int
  let nodes: Int
  let ranks: Int
  /// Adapters per node that lead to the network; none where there is no network.
  let adapters: Int
  let devicesPerAdapter: Int
  let planes: Int
  let layers: Int
  let leaves: Int
  let leavesPerPod: Int
  let pods: Int
  let isShared: Bool

  // Where each kind of link begins in the row of identities.
  let sharedBase: Int
  let adapterBase: Int
  let leafBase: Int
  let podBase: Int
  let linkCount: Int

  // Latencies in seconds and capacities in bytes per second, without degradations.
  let insideLatency: Double
  let sameLeafLatency: Double
  let crossLeafLatency: Double
  let crossPodLatency: Double
  let deviceCapacity: Double
  let sharedCapacity: Double
  let adapterCapacity: Double
  let portCapacity: Double

  init(node: Node, nodes: Int, network: Network?, plane: Plane?) {
    devicesPerNode = node.devices.value
    self.nodes = nodes
    ranks = nodes * devicesPerNode
    adapters = network == nil ? 0 : node.adapters?.count.value ?? 0
    devicesPerAdapter = devicesPerNode / max(1, node.adapters?.count.value ?? 1)
    planes = network?.planes.value ?? 0
    layers = network?.layers.count ?? 0
    leaves = plane?.leaves ?? 0
    leavesPerPod = plane?.leavesPerPod ?? 1
    pods = plane?.pods ?? 0
    isShared = node.link.sharedBandwidth != nil
    sharedBase = 2 * ranks
    adapterBase = sharedBase + nodes
    leafBase = adapterBase + 2 * nodes * adapters
    podBase = leafBase + 2 * planes * leaves
    linkCount = podBase + 2 * planes * pods
    insideLatency = node.link.latency.value.value
    sameLeafLatency = network?.latency.sameLeaf.value.value ?? 0
    crossLeafLatency = network?.latency.crossLeaf?.value.value ?? sameLeafLatency
    crossPodLatency = network?.latency.crossPod?.value.value ?? crossLeafLatency
    deviceCapacity = node.link.rate.reached.value.value
    sharedCapacity = node.link.sharedBandwidth?.value.value ?? .infinity
    adapterCapacity = node.adapters?.rate.reached.value.value ?? .infinity
    portCapacity = network?.port.reached.value.value ?? .infinity
  }
}

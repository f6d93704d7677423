"""What a cluster's administrator has to say about writes: webhooks, quotas, policies (protocol 9).

kube-apiserver runs no admission for requests that it passes on, so it is done here as it would.
"""

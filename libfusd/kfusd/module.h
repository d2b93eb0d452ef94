/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel module that is loaded. */
#ifndef FUSD_KFUSD_MODULE_H
#define FUSD_KFUSD_MODULE_H

/* It has not what a driver asks for. Returns -EOPNOTSUPP. */
int fusd_kfusd_refuse_module(const char *what);

#endif /* FUSD_KFUSD_MODULE_H */

// SPDX-License-Identifier: BSD-3-Clause
/*
 * An I2C bus with a temperature sensor: ioctls that point into their client,
 * whose structures point further.
 *
 * The sensor, at address 0x48, has 256 registers: 0 and 1 are the temperature
 * in 1/256 degrees, high byte first; the others keep what is written to them.
 *
 * Try it:  ./i2c_sensor i2c-9 &  (prints where the device is)
 *          i2cdetect -y 9
 *          i2cget -y 9 0x48 0 w
 */
#include <stdbool.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>

#include "client_memory.h"
#include "example.h"

#define SENSOR 0x48
#define MAX_MESSAGE 8192
/* I2C messages; all of SMBus 1 but error checks. */
#define FUNCTIONS                                                     \
	(I2C_FUNC_I2C | (I2C_FUNC_SMBUS_EMUL & ~I2C_FUNC_SMBUS_PEC) | \
	 I2C_FUNC_SMBUS_READ_BLOCK_DATA)

/* A pointer and 256 registers, as most small chips have them. */
static uint8_t registers[256] = { 21, 128 };
static uint8_t pointer;

/* The first byte is the register to go on from. */
static void chip_write(const uint8_t *data, size_t length)
{
	if (length)
		pointer = data[0];
	for (size_t i = 1; i < length; i++)
		registers[pointer++] = data[i];
}

static void chip_read(uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		data[i] = registers[pointer++];
}

/* The chip's address that I2C_SLAVE chose for this open file. */
static int check_address(const struct fusd_file_info *file)
{
	return (intptr_t)file->private_data == SENSOR ? 0 : -ENXIO;
}

static ssize_t bus_read(struct fusd_file_info *file, char *buffer,
			size_t length, loff_t *offset)
{
	int error = check_address(file);

	(void)offset;
	if (error)
		return error;
	if (length > MAX_MESSAGE)
		length = MAX_MESSAGE;
	chip_read((uint8_t *)buffer, length);
	return (ssize_t)length;
}

static ssize_t bus_write(struct fusd_file_info *file, const char *buffer,
			 size_t length, loff_t *offset)
{
	int error = check_address(file);

	(void)offset;
	if (error)
		return error;
	if (length > MAX_MESSAGE)
		length = MAX_MESSAGE;
	chip_write((const uint8_t *)buffer, length);
	return (ssize_t)length;
}

/* Messages in a row; buffers[] are the client's, and all of them are there. */
static int send_messages(const struct i2c_msg *messages, size_t count,
			 void **buffers)
{
	for (size_t i = 0; i < count; i++) {
		if (messages[i].addr != SENSOR)
			return -ENXIO;
		if (messages[i].flags & I2C_M_RD)
			chip_read(buffers[i], messages[i].len);
		else
			chip_write(buffers[i], messages[i].len);
	}
	return (int)count;
}

/* Fetches an array of messages and what they point at; then sends them. */
static int transfer(struct fusd_file_info *file, const void *argument)
{
	struct i2c_rdwr_ioctl_data head;
	struct i2c_msg *messages;
	void *buffers[I2C_RDWR_IOCTL_MAX_MSGS];
	int retry = 0;
	int error = take(file, argument, &head, sizeof(head));

	if (error)
		return error;
	if (head.nmsgs < 1 || head.nmsgs > I2C_RDWR_IOCTL_MAX_MSGS)
		return -EINVAL;
	error = client_memory(file, head.msgs, head.nmsgs * sizeof(*messages),
			      FUSD_CLIENT_READ, &messages);
	if (error)
		return error;
	for (size_t i = 0; i < head.nmsgs; i++) {
		int access = messages[i].flags & I2C_M_RD ? FUSD_CLIENT_WRITE :
							    FUSD_CLIENT_READ;

		if (messages[i].len > MAX_MESSAGE)
			return -EINVAL;
		error = client_memory(file, messages[i].buf, messages[i].len,
				      access, &buffers[i]);
		/* Asked for in one go, where the kernel has to be asked. */
		if (error == -FUSD_RETRY)
			retry = error;
		else if (error)
			return error;
	}
	return retry ? retry : send_messages(messages, head.nmsgs, buffers);
}

/* How many bytes the data pointer of an SMBus call points at; -errno. */
static int smbus_size(const struct i2c_smbus_ioctl_data *call)
{
	switch (call->size) {
	case I2C_SMBUS_QUICK:
		return 0;
	case I2C_SMBUS_BYTE:
		return call->read_write == I2C_SMBUS_READ;
	case I2C_SMBUS_BYTE_DATA:
		return 1;
	case I2C_SMBUS_WORD_DATA:
	case I2C_SMBUS_PROC_CALL:
		return 2;
	case I2C_SMBUS_BLOCK_DATA:
	case I2C_SMBUS_I2C_BLOCK_DATA:
		return I2C_SMBUS_BLOCK_MAX + 2;
	default:
		return -EOPNOTSUPP;
	}
}

/* Writes the command and then length bytes of data, as one message. */
static void write_command(uint8_t command, const uint8_t *data, size_t length)
{
	uint8_t message[1 + 1 + I2C_SMBUS_BLOCK_MAX] = { command };

	if (length)
		memcpy(message + 1, data, length);
	chip_write(message, 1 + length);
}

/* The first byte of a block is the count of those that follow. */
static int smbus_block(const struct i2c_smbus_ioctl_data *call, uint8_t *data)
{
	bool is_counted = call->size == I2C_SMBUS_BLOCK_DATA; /* on the wire */
	uint8_t count = data[0];

	if (call->read_write == I2C_SMBUS_READ) {
		write_command(call->command, NULL, 0);
		if (is_counted)
			chip_read(&count, 1);
	}
	if (count < 1 || count > I2C_SMBUS_BLOCK_MAX)
		return call->read_write == I2C_SMBUS_READ ? -EPROTO : -EINVAL;
	if (call->read_write == I2C_SMBUS_READ) {
		data[0] = count;
		chip_read(data + 1, count);
	} else if (is_counted) {
		write_command(call->command, data, 1u + count);
	} else {
		write_command(call->command, data + 1, count);
	}
	return 0;
}

/* SMBus in terms of plain I2C messages; data is the client's, size bytes. */
static int smbus_call(const struct i2c_smbus_ioctl_data *call, uint8_t *data,
		      size_t size)
{
	bool is_read = call->read_write == I2C_SMBUS_READ;

	switch (call->size) {
	case I2C_SMBUS_QUICK:
		return 0;
	case I2C_SMBUS_BYTE:
		if (is_read)
			chip_read(data, size);
		else
			write_command(call->command, NULL, 0);
		return 0;
	case I2C_SMBUS_BYTE_DATA:
	case I2C_SMBUS_WORD_DATA:
		write_command(call->command, data, is_read ? 0 : size);
		if (is_read)
			chip_read(data, size);
		return 0;
	case I2C_SMBUS_PROC_CALL:
		write_command(call->command, data, size);
		chip_read(data, size);
		return 0;
	default:
		return smbus_block(call, data);
	}
}

static int smbus(struct fusd_file_info *file, const void *argument)
{
	struct i2c_smbus_ioctl_data call;
	int error = take(file, argument, &call, sizeof(call));
	int size, access;
	void *data;

	if (error)
		return error;
	size = smbus_size(&call);
	if (size < 0)
		return size;
	access = call.read_write == I2C_SMBUS_READ ||
				 call.size == I2C_SMBUS_PROC_CALL ?
			 FUSD_CLIENT_WRITE :
			 FUSD_CLIENT_READ;
	error = client_memory(file, call.data, (size_t)size, access, &data);
	if (!error)
		error = check_address(file);
	return error ? error : smbus_call(&call, data, (size_t)size);
}

static int bus_ioctl(struct fusd_file_info *file, int request, void *data)
{
	const unsigned long functions = FUNCTIONS;

	switch (request) {
	case I2C_SLAVE:
	case I2C_SLAVE_FORCE:
		if ((uintptr_t)data > 0x7f)
			return -EINVAL;
		file->private_data = data;
		return 0;
	case I2C_RETRIES:
	case I2C_TIMEOUT:
		return 0;
	case I2C_FUNCS:
		return give(file, data, &functions, sizeof(functions));
	case I2C_RDWR:
		return transfer(file, data);
	case I2C_SMBUS:
		return smbus(file, data);
	default:
		return -ENOTTY;
	}
}

int main(int argc, char **argv)
{
	const char *name = example_name(argc, argv, "i2c-9");

	example_started("i2c_sensor",
			fusd_simple_register(name, 0666, NULL, .read = bus_read,
					     .write = bus_write,
					     .ioctl = bus_ioctl));
	fusd_run();
	return 0;
}
